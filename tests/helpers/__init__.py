"""What several tests share: stand-in models, data, servers that misbehave, paths."""

"""What models there are: the types of an entry, the manifest that lists them, search by name."""

"""A model by name as a verified folder on this disk: fetched, unpacked, cached, kept up."""

"""Any number of images through a detector, into files that survive a crash."""

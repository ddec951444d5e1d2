"""What lies behind an AP: figures, curves and pictures, on a page that loads nothing."""

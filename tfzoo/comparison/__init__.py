"""Two sets of detections of the same images, compared: which is better, and is that shown?"""

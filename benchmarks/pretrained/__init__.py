"""Makes the fits that are shipped with the zoo, in `zoo/pretrained_fits/fits/`."""

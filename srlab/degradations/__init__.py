"""What happens to a picture on its way to low resolution: blur, shrinking, noise, compression."""

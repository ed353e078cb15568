"""The JPEG that is embedded in a photo, whatever the photo is: which one, and where it stands."""

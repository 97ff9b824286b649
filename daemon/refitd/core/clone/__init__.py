"""The parts of `refitd.core.recreate`: a container is the old one with another image."""

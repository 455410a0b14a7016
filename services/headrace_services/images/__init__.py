"""Filters, resizes and converts many pictures, with libvips.

    plan (client)      which files, which output names, read lazily as the upload goes on
    process (slot)     decode strictly, filter, encode: one picture for each task
    gather (client)    write each picture aside and rename it into the output folder

libvips is only loaded where pictures are decoded, so importing this package is cheap.
"""

from headrace_services.images.plan import plan
from headrace_services.images.service import IMAGES, ImagesService

__all__ = ["IMAGES", "ImagesService", "plan"]

"""Pictures filtered, resized and converted in bulk, by libvips.

    plan (client)      which files, which output names, read lazily as the upload goes on
    process (slot)     decode strictly, filter, encode: one picture a task
    gather (client)    write each picture aside and rename it into the output folder

libvips is loaded where pictures are decoded and nowhere else: importing this package is cheap.
"""

from headrace_services.images.plan import plan
from headrace_services.images.service import IMAGES, ImagesService

__all__ = ["IMAGES", "ImagesService", "plan"]

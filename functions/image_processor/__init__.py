"""ImageProcessor: what photos say of themselves, read from their bytes and written into two DynamoDB tables.

`extract` reads one image through a source of its bytes; the function around it stands in `handler`:

    handler         SQS messages in, a report of what failed out
    notification    a message to events of objects
    intake          one event to what it means for the tables, and a report of it (`report`)
    isolation       an image read in a process of its own (`reader_process`), where its message comes again
    reading/        bytes of an object, by ranges
    formats/        an image file to its blocks of metadata
    tags/           blocks to named values
    columns/        named values to the attributes of a table item
    catalog/        facts about objects into the tables

`errors` has every error. Nothing in here imports another of our packages.
"""

from image_processor.columns.extract import Record, extract
from image_processor.errors import ObjectError
from image_processor.reading.ranged import BytesSource, FileSource

__all__ = ["BytesSource", "FileSource", "ObjectError", "Record", "extract"]

"""The one `MetaData` of intake's database: all slices' tables and the common ones, comparable with the live schema."""

from sqlalchemy import MetaData

from common.tables import add_common_tables

METADATA = MetaData()

add_common_tables(METADATA)

"""The one MetaData of this service: one file for all slices, because foreign keys and migrations need a single one."""

from sqlalchemy import MetaData

from common.tables import add_common_tables

METADATA = MetaData()
add_common_tables(METADATA)

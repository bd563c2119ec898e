"""S6 and S7: the consumer with fence, cursors and parking, beside FastStream and beside a consumer written by hand."""

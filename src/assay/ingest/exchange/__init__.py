"""Other tools' files → rows as the import reads them. One file a format; `formats` is the table of them."""

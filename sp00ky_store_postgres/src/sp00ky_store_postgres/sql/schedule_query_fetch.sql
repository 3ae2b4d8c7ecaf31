-- So few at a time that the longest rows take little memory.
FETCH FORWARD 100 FROM sp00ky_rows

"""What the API takes and gives. Fields are the rows' own under the same names, so that the pages and the API use the same words."""

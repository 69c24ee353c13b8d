"""What users ask for by annotation."""

"""What a whole pipeline is worth: measured on pieces and wordings it was never trained on."""

"""What users see: the Subscription, its conditions, reasons, labels and annotations, and the CRD made from them."""

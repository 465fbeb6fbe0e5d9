"""What a fit was asked, what came of it, and how that is written down."""

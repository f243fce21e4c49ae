"""What comes from other programs, told in the terms of ours, and what goes to them."""

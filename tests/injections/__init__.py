"""What must not work: texts that give orders to Claude, and a Claude that obeys them."""

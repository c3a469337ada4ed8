"""What a site is: the gateway's file, the meter catalogue, boards. Read once, frozen, never changed."""

"""What the work is: primes, images, and the shape that a third party's service has."""

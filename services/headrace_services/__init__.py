"""What the work is: primes, images, calls, and the shape that a third party's service has."""

#!/usr/bin/env python3
"""The hash of signed boot's public key, as a Pi 5 keeps it in OTP and rpiboot reports it (CUSTOMER_KEY_HASH).

customer_key.py PUBLIC.pem
"""

import hashlib
import re
import subprocess
import sys


def otp_hash(public: str) -> str:
    """SHA-256 of the modulus (256 bytes) and the exponent (8 bytes), the lowest byte first."""
    asked = ["openssl", "rsa", "-pubin", "-in", public, "-noout", "-text", "-modulus"]
    text = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    modulus = int(re.search(r"^Modulus=([0-9A-F]+)$", text, re.M)[1], 16)
    exponent = int(re.search(r"^Exponent: (\d+) ", text, re.M)[1])
    return hashlib.sha256(modulus.to_bytes(256, "little") + exponent.to_bytes(8, "little")).hexdigest()


if __name__ == "__main__":
    print(otp_hash(sys.argv[1]))

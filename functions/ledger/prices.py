"""What requests and computing cost: USD, list prices of us-east-1 without free tier, discounts or taxes, from memory.

All prices that the product reckons with begin here: a publisher keeps to what a day may cost (`pace`), and commands say
what they will cost (`operations.bucket.prices`).
"""

S3_PUT = 0.005 / 1e3  # PUT, COPY, POST, LIST; aws.amazon.com/s3/pricing
S3_GET = 0.0004 / 1e3  # GET, HEAD
LAMBDA_REQUEST = 0.20 / 1e6  # aws.amazon.com/lambda/pricing
LAMBDA_GB_SECOND = 0.0000133334  # arm64

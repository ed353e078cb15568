"""The local stack: the template on an emulator of AWS, real S3 conditions on SeaweedFS, synthetic photos."""

"""Instances of EC2: what the block `ec2:` of a host wants, what AWS has, and what brings one to the other."""

#!/bin/sh
# QEMU calls it with the network device that it made for a tenant.
ip link set "$1" master br0
ip link set "$1" up

# fstab, hosts and nsswitch.conf are this recipe's: ours take the place of its own, from the folder that scripts/build-image copies.
FILESEXTRAPATHS:prepend:appliance := "${THISDIR}/files/etc:"

# The name follows from the board's serial number (attendance-provision).
hostname:appliance = ""
# Mount points of the data partition and of the card's first partition.
dirs755:append:appliance = " /data /boot/config ${servicedir}"

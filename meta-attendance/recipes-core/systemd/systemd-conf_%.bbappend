# attendance-network has the settings of the cable.
PACKAGECONFIG:remove:appliance = "dhcp-ethernet"

# pam.d/other: whatever is not spelled out may not log in.
FILESEXTRAPATHS:prepend:appliance := "${THISDIR}/files/etc:"

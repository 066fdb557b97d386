# Keys by SSH are not used.
PACKAGECONFIG:remove:appliance = "ssh-token"

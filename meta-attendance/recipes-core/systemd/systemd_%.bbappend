# What the units of this appliance need, and nothing that would start by itself beside them.
PACKAGECONFIG:append:appliance = " openssl"
PACKAGECONFIG:remove:appliance = "binfmt hibernate ima machined nss-mymachines osc-context quotacheck vconsole"
RESOLV_CONF:appliance = "stub-resolv"

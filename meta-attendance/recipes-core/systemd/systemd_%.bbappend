# What the units of this appliance need, and nothing else that would start automatically.
PACKAGECONFIG:append:appliance = " openssl"
PACKAGECONFIG:remove:appliance = "binfmt hibernate ima machined nss-mymachines osc-context quotacheck vconsole"
RESOLV_CONF:appliance = "stub-resolv"

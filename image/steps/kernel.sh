# shellcheck shell=bash disable=SC2034
# What differs by the image's kernel (KERNEL, see scripts/build-image). Sourced by steps.

modules_list=/src/image/modules.list
required_list=/src/image/required.list
board_files=(/work/trees/bcm2712-{,d-}rpi-5-b.dtb)
config_txt=/src/meta-attendance/recipes-bsp/raspberrypi5/boot/config.txt
if [ "${KERNEL:-debian}" != debian ]; then
    # Made by steps/kernel.py.
    modules_list=/work/kernel/modules.list
    required_list=/src/image/kernels/$KERNEL/required.list
    board_files=(/work/trees/bcm2712{,d0}-rpi-5-b.dtb /work/overlays/*.dtbo)
    config_txt=/src/meta-attendance/recipes-bsp/raspberrypi5/$KERNEL-kernel/config.txt
fi

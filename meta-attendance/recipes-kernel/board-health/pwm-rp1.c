// SPDX-License-Identifier: GPL-2.0
/*
 * Pulse-width modulation of the RP1, the Pi 5's south bridge: its channel 3 of the second unit drives the fan connector.
 *
 * Written from the register description in Raspberry Pi's "RP1 Peripherals" (chapter PWM). Mainline has no driver for it. Compiled
 * and never run: no board was at hand, and the emulated one has no RP1.
 *
 * Per channel, at 0x14 and every 16 bytes from there: control, range (the period, in clock cycles), phase, duty (the same unit).
 * A new setting takes effect when bit 31 of the global control is written.
 */
#include <linux/bits.h>
#include <linux/clk.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/math64.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pwm.h>
#include <linux/time64.h>

#define RP1_PWM_CHANNELS 4

#define RP1_PWM_GLOBAL 0x00
#define RP1_PWM_GLOBAL_ON(channel) BIT(channel)
#define RP1_PWM_GLOBAL_UPDATE BIT(31)

#define RP1_PWM_CONTROL(channel) (0x14 + 16 * (channel))
#define RP1_PWM_RANGE(channel) (0x18 + 16 * (channel))
#define RP1_PWM_DUTY(channel) (0x20 + 16 * (channel))

/* High from the period's start until the duty is over; values come from the registers, not from the FIFO. */
#define RP1_PWM_CONTROL_TRAILING_EDGE BIT(0)
#define RP1_PWM_CONTROL_INVERTED BIT(3)
#define RP1_PWM_CONTROL_NO_FIFO BIT(8)

struct rp1_pwm {
	void __iomem *base;
	unsigned long rate;
};

static u32 rp1_pwm_cycles(const struct rp1_pwm *pwm, u64 nanoseconds)
{
	return min_t(u64, mul_u64_u64_div_u64(nanoseconds, pwm->rate, NSEC_PER_SEC), U32_MAX);
}

/* The PWM core lets one caller in at a time. */
static int rp1_pwm_apply(struct pwm_chip *chip, struct pwm_device *device, const struct pwm_state *state)
{
	struct rp1_pwm *pwm = pwmchip_get_drvdata(chip);
	unsigned int channel = device->hwpwm;
	u32 global = readl(pwm->base + RP1_PWM_GLOBAL);
	u32 control = RP1_PWM_CONTROL_TRAILING_EDGE | RP1_PWM_CONTROL_NO_FIFO;
	u32 range;

	if (state->enabled) {
		range = rp1_pwm_cycles(pwm, state->period);
		if (!range)
			return -EINVAL;
		if (state->polarity == PWM_POLARITY_INVERSED)
			control |= RP1_PWM_CONTROL_INVERTED;
		writel(control, pwm->base + RP1_PWM_CONTROL(channel));
		writel(range, pwm->base + RP1_PWM_RANGE(channel));
		writel(min(rp1_pwm_cycles(pwm, state->duty_cycle), range), pwm->base + RP1_PWM_DUTY(channel));
		global |= RP1_PWM_GLOBAL_ON(channel);
	} else {
		global &= ~RP1_PWM_GLOBAL_ON(channel);
	}
	writel(global | RP1_PWM_GLOBAL_UPDATE, pwm->base + RP1_PWM_GLOBAL);
	return 0;
}

static const struct pwm_ops rp1_pwm_ops = { .apply = rp1_pwm_apply };

static int rp1_pwm_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct pwm_chip *chip;
	struct rp1_pwm *pwm;
	struct clk *clk;
	int error;

	chip = devm_pwmchip_alloc(dev, RP1_PWM_CHANNELS, sizeof(*pwm));
	if (IS_ERR(chip))
		return PTR_ERR(chip);
	pwm = pwmchip_get_drvdata(chip);
	pwm->base = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(pwm->base))
		return PTR_ERR(pwm->base);
	clk = devm_clk_get_enabled(dev, NULL);
	if (IS_ERR(clk))
		return dev_err_probe(dev, PTR_ERR(clk), "no clock\n");
	/* A period is counted in cycles: the rate must stay. */
	error = devm_clk_rate_exclusive_get(dev, clk);
	if (error)
		return dev_err_probe(dev, error, "the clock's rate cannot be kept\n");
	pwm->rate = clk_get_rate(clk);
	if (!pwm->rate)
		return dev_err_probe(dev, -EINVAL, "the clock stands still\n");
	chip->ops = &rp1_pwm_ops;
	chip->atomic = true;
	error = devm_pwmchip_add(dev, chip);
	return error ? dev_err_probe(dev, error, "not registered\n") : 0;
}

static const struct of_device_id rp1_pwm_devices[] = {
	{ .compatible = "raspberrypi,rp1-pwm" },
	{}
};
MODULE_DEVICE_TABLE(of, rp1_pwm_devices);

static struct platform_driver rp1_pwm_driver = {
	.driver = { .name = "pwm-rp1", .of_match_table = rp1_pwm_devices },
	.probe = rp1_pwm_probe,
};
module_platform_driver(rp1_pwm_driver);

MODULE_DESCRIPTION("Pulse-width modulation of the Raspberry Pi's RP1");
MODULE_LICENSE("GPL");

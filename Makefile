# brigade: `make run` starts the whole bot, `make test` proves it.

CARGO ?= cargo

.PHONY: run test check fmt mongo

# With credentials the bot on Telegram, without them the sandbox: the same server with a simulated
# Telegram and a simulated model, in this terminal.
ifneq ($(and $(TELEGRAM_BOT_TOKEN)$(TELEGRAM_BOT_TOKEN_FILE),$(OPENAI_API_KEY)$(OPENAI_API_KEY_FILE)),)
run:
	$(CARGO) run --locked -- serve
else
run:
	@echo "TELEGRAM_BOT_TOKEN and OPENAI_API_KEY are not both set: starting the sandbox"
	$(CARGO) run --locked -- sandbox
endif

# Format, lints, all tests. Tests that need something this machine lacks say what they skip.
test: check mongo
	INSTA_UPDATE=no $(CARGO) test --locked

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

# A MongoDB-compatible server for the tests. Without it they skip what needs one, and say so.
mongo:
	@test -n "$(MONGODB_URI)" || test -x .venv/bin/secantusd-py \
	  || { python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check SecantusDB; } \
	  || echo "SecantusDB can't be installed: tests against MongoDB will be skipped"

fmt:
	$(CARGO) fmt

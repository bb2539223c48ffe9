# brigade: `make run` starts the whole bot, `make test` proves it.

CARGO ?= cargo

.PHONY: run test check fmt flows mongo bench profile

# With credentials the bot on Telegram, without them the sandbox: the same server with a simulated
# Telegram and a simulated model, in this terminal.
ifneq ($(and $(TELEGRAM_BOT_TOKEN)$(TELEGRAM_BOT_TOKEN_FILE),$(OPENAI_API_KEY)$(OPENAI_API_KEY_FILE)$(OPENAI_BASE_URL)),)
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

# Play every scenario, then look at what differs from its snapshot and take it or leave it.
flows:
	-@INSTA_UPDATE=new INSTA_FORCE_PASS=1 $(CARGO) test --locked --quiet --lib --test flows -- every_scenario a_small_flow
	@if $(CARGO) insta --version >/dev/null 2>&1; then $(CARGO) insta review; else \
	  for new in snapshots/*.snap.new; do \
	    [ -e "$$new" ] || { echo "no snapshot differs"; break; }; \
	    diff -u "$${new%.new}" "$$new" || true; \
	  done; \
	  echo "to take or leave them one by one: cargo install cargo-insta, then make flows"; fi

# The server beside the floor (benches/README.md), in benches/RESULTS.md.
bench: release
	benches/run

# Where the server's time goes under load: a flamegraph in target/profile.
profile: release
	benches/profile

.PHONY: release
release:
	$(CARGO) build --release --locked --bin brigade --example floor

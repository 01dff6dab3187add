# make run: dependencies, build, then the two demonstrations.

run: deps
	@test -x $(B)/bin/warder || echo "building"
	@$(MAKE) --silent --no-print-directory $(JOBS) all
	@examples/analyse/run $(B)
	@examples/token/run $(B)

.PHONY: run

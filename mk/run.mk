# make run: dependencies, build, then the demonstration.

run: deps
	@test -x $(B)/bin/warder || echo "building"
	@$(MAKE) --silent --no-print-directory $(JOBS) all
	@examples/analyse/run $(B)

.PHONY: run

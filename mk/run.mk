# make run: dependencies, build, then the demonstrations; the last one
# leaves its service running.

run: deps
	@test -x $(B)/bin/warder || echo "building"
	@$(MAKE) --silent --no-print-directory $(JOBS) all
	@examples/analyse/run $(B)
	@examples/token/run $(B)
	@examples/service/run $(B)

.PHONY: run

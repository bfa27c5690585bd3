package apps

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// result is one line of TAP, with what is said below it.
type result struct {
	ok        bool
	name      string // FAMILY/NAME
	directive string // "", SKIP or TODO
	why       string // of the directive
	message   string
}

// parseTAP reads the output of apps.sh. It fails if that is not whole.
func parseTAP(text string) (results []result, comments []string, err error) {
	resultLine := regexp.MustCompile(`^(not )?ok (\d+) - ([^:]+): (.*?)(?: # (SKIP|TODO) (.*))?$`)
	plan := -1
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		m := resultLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			results = append(results, result{ok: m[1] == "", name: m[3], directive: m[5], why: m[6]})
			if m[2] != strconv.Itoa(len(results)) {
				return nil, nil, fmt.Errorf("number %d is missing before %q", len(results), line)
			}
		case strings.HasPrefix(line, "    ") && len(results) > 0:
			results[len(results)-1].message += strings.TrimSpace(line) + "\n"
		case strings.HasPrefix(line, "1.."):
			if plan, err = strconv.Atoi(line[len("1.."):]); err != nil {
				return nil, nil, err
			}
		case strings.HasPrefix(line, "#"):
			comments = append(comments, line)
		case strings.HasPrefix(line, "Bail out!"):
			return nil, nil, fmt.Errorf("%s", line)
		}
	}
	if len(results) != plan {
		return nil, nil, fmt.Errorf("%d results, but %d were planned", len(results), plan)
	}
	return results, comments, nil
}

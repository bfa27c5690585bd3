package options

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// EnvPrefix begins the name of every variable that stands for a flag.
const EnvPrefix = "PAILFS_"

// EnvName is the variable that stands for a flag.
func EnvName(flag string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnv sets each flag that is still unset from its variable. An empty
// variable counts as unset, as the AWS tools have it.
func fromEnv(f *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var first error
	f.VisitAll(func(fl *pflag.Flag) {
		if first != nil || fl.Changed || fl.Name == "options" || fl.Name == "help" {
			return
		}
		text, ok := lookup(EnvName(fl.Name))
		if !ok || text == "" {
			return
		}
		if err := set(f, fl, text); err != nil {
			first = fmt.Errorf("environment variable %s=%q: %w", EnvName(fl.Name), text, err)
		}
	})
	return first
}

// set gives a flag a value without pflag's wrapping, whose message names a
// flag that the user never wrote.
func set(f *pflag.FlagSet, fl *pflag.Flag, text string) error {
	if err := fl.Value.Set(text); err != nil {
		return plainParseError(fl, err)
	}
	fl.Changed = true
	return nil
}

// plainParseError replaces strconv's messages, which name Go functions.
func plainParseError(fl *pflag.Flag, err error) error {
	switch fl.Value.Type() {
	case "bool":
		return fmt.Errorf("must be true or false")
	case "duration":
		return fmt.Errorf("not a duration: write 500ms, 30s or 5m")
	}
	return err
}

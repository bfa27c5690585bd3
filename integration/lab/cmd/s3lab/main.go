// Command s3lab runs a lab by itself: a proxy that makes a local S3 server
// behave like a remote one. See package lab.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/pailfs/pailfs/integration/lab"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	var s lab.Shape
	listen := flag.String("listen", "127.0.0.1:9100", "address to listen on")
	upstream := flag.String("upstream", "127.0.0.1:7070", "host:port of the S3 server (plain HTTP)")
	faultFile := flag.String("faults", "", "JSON file with the initial faults")
	flag.Float64Var(&s.LatencyMS, "latency", 0, "first-byte latency of each request, ms")
	flag.Float64Var(&s.JitterMS, "jitter", 0, "latency varies by plus or minus this, ms")
	flag.Float64Var(&s.StreamMBps, "stream", 0, "limit of one connection and direction, MB/s (0: none)")
	flag.Float64Var(&s.TotalMBps, "total", 0, "limit of all connections together, MB/s (0: none)")
	flag.Parse()

	var faults lab.FaultSet
	if *faultFile != "" {
		data, err := os.ReadFile(*faultFile)
		if err != nil {
			return err
		}
		if faults, err = lab.ParseFaults(data); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := lab.Listen(*listen, *upstream, s)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.SetFaults(faults); err != nil {
		return err
	}
	log.Printf("s3lab on %s, upstream %s, %+v", l.Addr(), *upstream, s)
	<-ctx.Done()
	return nil
}

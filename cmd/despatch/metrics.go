package main

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"despatch/internal/httpd"
	"despatch/internal/server"
)

// metrics are what Prometheus is told. They count, and name nobody.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "despatch_http_request_seconds", Help: "Time to answer a request, by route and status.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .25, 1, 5, 30},
		}, []string{"route", "status"}),
	}
	m.registry.MustRegister(m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observe is told of each request answered.
func (m *metrics) observe(route string, status int, d time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(d.Seconds())
}

// watch has the state of a server told.
func (m *metrics) watch(s *server.Server) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("despatch_record_entries", "Entries on the record.", func() float64 { return float64(s.Rec.Head().Edge.Size) })
	gauge("despatch_record_last_entry_timestamp_seconds", "Time of the last entry.", func() float64 { return float64(s.Rec.Head().Time) / 1000 })
	gauge("despatch_database_bytes", "Size of the database on disk.", func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		n, err := s.DB.Size(ctx)
		if err != nil {
			return -1
		}
		return float64(n)
	})
}

// page is /metrics, for an address that only this machine can reach.
func (m *metrics) page() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

// behind serves /metrics to those who have the token, and all else by next. Without a token it is next.
func (m *metrics) behind(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	page := m.page()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/metrics":
			next.ServeHTTP(w, r)
		case subtle.ConstantTimeCompare([]byte(httpd.AccessToken(r)), []byte(token)) != 1:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "The metrics need the token from the settings.", http.StatusUnauthorized)
		default:
			page.ServeHTTP(w, r)
		}
	})
}

package kurrent

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// The library looks for a server one address after the other, each for seconds, cannot be interrupted in it, and tells
// why it found none only afterwards. So the node is found here, and the library is given its address alone.

// seekPause is after how long without an answer another attempt begins beside the one that waits: a cluster may have
// elected another leader meanwhile, and a slow network may still answer the first.
const (
	seekPause = time.Second
	seeksMax  = 8
)

// found is a node that answers.
type found struct {
	address string
	version version
	err     error
}

// find looks for a node until one answers, all attempts have failed, or the URL's gossipTimeout is over.
func (s *Store) find(ctx context.Context, config *esdb.Configuration) (found, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(config.GossipTimeout)*time.Second)
	defer cancel()
	answers := make(chan found, seeksMax)
	again := time.NewTicker(seekPause)
	defer again.Stop()
	last := error(&lost{errSilent})
	seek := func() bool { return s.spawn(func() { answers <- seekOnce(ctx, config) }) }
	if !seek() {
		return found{}, ended(s.life)
	}
	for began, failed := 1, 0; ; {
		select {
		case a := <-answers:
			if a.err == nil {
				return a, nil
			}
			last = a.err
			if failed++; failed == began {
				return a, last
			}
		case <-again.C:
			if began < seeksMax && seek() {
				began++
			}
			if began == 3 { // two pauses have passed: that is more than slow
				s.report(nil, last)
			}
		case <-ctx.Done():
			return found{}, last
		}
	}
}

// seekOnce asks the addresses for the nodes to use, if they are a cluster's, and then those for their versions.
func seekOnce(ctx context.Context, config *esdb.Configuration) found {
	nodes := []string{config.Address}
	if seeds := seeds(config); len(seeds) > 0 {
		var err error
		if nodes, err = chosen(ctx, config, seeds); err != nil {
			return found{err: err}
		}
	}
	return bestOf(ctx, config, nodes)
}

// bestOf asks nodes for their versions, all at once, and returns the first of them that answers; after a pause, one that
// has answered while those before it are still silent.
func bestOf(ctx context.Context, config *esdb.Configuration, nodes []string) found {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		rank int
		found
	}
	answers := make(chan answer, len(nodes))
	for rank, address := range nodes {
		go func() { // ends with the context
			v, err := versionOf(ctx, config, address)
			answers <- answer{rank, found{address, v, err}}
		}()
	}
	late := time.NewTimer(seekPause)
	defer late.Stop()
	got, waits := make([]*found, len(nodes)), true
	for left := len(nodes); ; {
		best := slices.IndexFunc(got, func(f *found) bool { return f == nil && waits || f != nil && f.err == nil })
		switch {
		case best >= 0 && got[best] != nil:
			return *got[best]
		case left == 0:
			return *got[0]
		}
		select {
		case a := <-answers:
			got[a.rank] = &a.found
			left--
		case <-late.C:
			waits = false
		}
	}
}

// seeds are the addresses of a cluster, any of which knows the others.
func seeds(config *esdb.Configuration) []string {
	if len(config.GossipSeeds) == 0 && config.DnsDiscover {
		return []string{config.Address}
	}
	var list []string
	for _, seed := range config.GossipSeeds {
		list = append(list, net.JoinHostPort(strings.Trim(seed.Host, "[]"), strconv.Itoa(int(seed.Port))))
	}
	return list
}

// chosen asks all seeds at once, and takes the first answer that names nodes to use, the best first. A cluster takes some
// seconds to notice that a node is gone.
func chosen(ctx context.Context, config *esdb.Configuration, seeds []string) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		nodes []string
		err   error
	}
	answers := make(chan answer, len(seeds))
	for _, seed := range seeds {
		go func() { // ends with the context
			nodes, err := gossiped(ctx, config, seed)
			answers <- answer{nodes, err}
		}()
	}
	var errs []error
	for range seeds {
		a := <-answers
		if a.err == nil {
			return a.nodes, nil
		}
		errs = append(errs, a.err)
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) }) // so that the same trouble is told once
	return nil, errors.Join(errs...)
}

func gossiped(ctx context.Context, config *esdb.Configuration, seed string) ([]string, error) {
	conn, err := connect(config, seed)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	info, err := gossip.NewGossipClient(conn).Read(ctx, &shared.Empty{})
	if err != nil {
		return nil, failure(seed, err)
	}
	nodes := pick(info.GetMembers(), config.NodePreference)
	if len(nodes) == 0 {
		return nil, &lost{fmt.Errorf("%s: %w", seed, errNoLeader)}
	}
	return nodes, nil
}

// pick orders the members that are alive and may be used by what is preferred, those that are preferred alike at random. Who
// prefers the leader waits for one: no other node takes writes.
func pick(members []*gossip.MemberInfo, preference esdb.NodePreference) []string {
	wanted := map[gossip.MemberInfo_VNodeState]int{gossip.MemberInfo_Leader: 1}
	switch preference {
	case esdb.NodePreferenceFollower:
		wanted[gossip.MemberInfo_Follower] = 2
	case esdb.NodePreferenceReadOnlyReplica:
		wanted[gossip.MemberInfo_ReadOnlyReplica] = 2
		wanted[gossip.MemberInfo_PreReadOnlyReplica], wanted[gossip.MemberInfo_ReadOnlyLeaderless] = 2, 2
		wanted[gossip.MemberInfo_Follower] = 1
	case esdb.NodePreferenceRandom:
		wanted[gossip.MemberInfo_Follower], wanted[gossip.MemberInfo_ReadOnlyReplica] = 1, 1
	}
	usable := slices.DeleteFunc(slices.Clone(members), func(m *gossip.MemberInfo) bool { return !m.GetIsAlive() || wanted[m.GetState()] == 0 })
	rand.Shuffle(len(usable), func(i, j int) { usable[i], usable[j] = usable[j], usable[i] })
	slices.SortStableFunc(usable, func(a, b *gossip.MemberInfo) int { return wanted[b.GetState()] - wanted[a.GetState()] })
	nodes := make([]string, len(usable))
	for i, m := range usable {
		nodes[i] = net.JoinHostPort(m.GetHttpEndPoint().GetAddress(), strconv.Itoa(int(m.GetHttpEndPoint().GetPort())))
	}
	return nodes
}

// versionOf asks a node what it is.
func versionOf(ctx context.Context, config *esdb.Configuration, address string) (version, error) {
	conn, err := connect(config, address)
	if err != nil {
		return version{}, err
	}
	defer conn.Close()
	methods, err := serverfeatures.NewServerFeaturesClient(conn).GetSupportedMethods(ctx, &shared.Empty{})
	switch code := status.Code(err); {
	case (code == codes.Unimplemented || code == codes.NotFound) && !notTheServer(err):
		return version{}, nil // as those before 21.10 answer
	case err != nil:
		return version{}, failure(address, err)
	}
	return parseVersion(address, methods.GetEventStoreServerVersion())
}

// parseVersion takes what the library takes: it cannot use a server whose version it cannot read.
func parseVersion(address, text string) (version, error) {
	var numbers [3]int
	for i, part := range strings.SplitN(text, ".", 4) {
		if i == len(numbers) {
			break
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			return version{}, &lost{fmt.Errorf("%s: %w %.64q", address, errVersion, text)}
		}
		numbers[i] = n
	}
	return version{numbers[0], numbers[1]}, nil
}

// failure is what a node's error means.
func failure(address string, err error) error {
	judged := judgeStatus(err)
	if isLost(judged) {
		return &lost{fmt.Errorf("%s: %w", address, err)}
	}
	return fmt.Errorf("%s: %w", address, judged)
}

// connect makes a connection as the library does, for one question.
func connect(config *esdb.Configuration, address string) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if !config.DisableTLS {
		c := &tls.Config{InsecureSkipVerify: config.SkipCertificateVerification, RootCAs: config.RootCAs} // #nosec G402 -- the URL says tlsVerifyCert=false
		if config.UserCertFile != "" {
			pair, err := tls.LoadX509KeyPair(config.UserCertFile, config.UserKeyFile)
			if err != nil {
				return nil, &lost{fmt.Errorf("the user's certificate cannot be read: %w", err)}
			}
			c.Certificates = []tls.Certificate{pair}
		}
		transport = credentials.NewTLS(c)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
	if err != nil {
		return nil, &lost{fmt.Errorf("%s: %w", address, err)}
	}
	return conn, nil
}

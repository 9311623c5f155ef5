package esdbserver

import (
	"context"
	"net"
	"strconv"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// protocolVersion is the release whose protocol is spoken here. Clients choose features by it.
const protocolVersion = "23.10.0"

type gossipService struct {
	gossip.UnimplementedGossipServer
	node *node
}

// Read tells the members of the cluster and which one leads.
func (g *gossipService) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	info := &gossip.ClusterInfo{}
	for i, address := range g.node.members() {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, err
		}
		state := gossip.MemberInfo_Follower
		if i == 0 {
			state = gossip.MemberInfo_Leader
		}
		info.Members = append(info.Members, &gossip.MemberInfo{
			InstanceId:   structuredID(g.node.id),
			TimeStamp:    g.node.options.Now().UnixNano() / tick,
			State:        state,
			IsAlive:      true,
			HttpEndPoint: &gossip.EndPoint{Address: host, Port: uint32(number)},
		})
	}
	return info, nil
}

func (n *node) members() []string {
	if len(n.options.Members) > 0 {
		return n.options.Members
	}
	return []string{n.address}
}

type featuresService struct {
	serverfeatures.UnimplementedServerFeaturesServer
	node *node
}

// GetSupportedMethods names what clients may call, in lower case as EventStoreDB does.
func (f featuresService) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	methods := &serverfeatures.SupportedMethods{EventStoreServerVersion: f.node.options.Version}
	add := func(service string, names ...string) {
		for _, name := range names {
			methods.Methods = append(methods.Methods, &serverfeatures.SupportedMethod{ServiceName: service, MethodName: name})
		}
	}
	add("event_store.client.streams.streams", "append", "batchappend", "delete", "read", "tombstone")
	add("event_store.client.gossip.gossip", "read")
	add("event_store.client.server_features.serverfeatures", "getsupportedmethods")
	return methods, nil
}

// groupsService answers nothing but creations, and those only if Options.AcceptGroups says so.
type groupsService struct {
	persistent.UnimplementedPersistentSubscriptionsServer
	node *node
}

// groupsMax bounds the memory for accepted groups.
const groupsMax = 1000

type groups struct {
	mu    sync.Mutex
	names map[[2]string]bool // stream and group
}

func (g *groupsService) Create(ctx context.Context, req *persistent.CreateReq) (*persistent.CreateResp, error) {
	n, o := g.node, req.GetOptions()
	if !n.options.AcceptGroups {
		return g.UnimplementedPersistentSubscriptionsServer.Create(ctx, req)
	}
	stream := string(o.GetStream().GetStreamIdentifier().GetStreamName())
	if o.GetAll() != nil {
		stream = allStream
	}
	if n.options.Follower {
		return nil, n.notLeader()
	}
	known := &n.groups
	known.mu.Lock()
	defer known.mu.Unlock()
	name := [2]string{stream, o.GetGroupName()}
	switch {
	case known.names[name]:
		return nil, groupExists(name[0], name[1])
	case len(known.names) >= groupsMax:
		return nil, status.Error(codes.ResourceExhausted, "too many groups")
	case known.names == nil:
		known.names = map[[2]string]bool{}
	}
	known.names[name] = true
	return &persistent.CreateResp{}, nil
}

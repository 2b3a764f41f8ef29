package supervisor

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEventLog(t *testing.T) {
	t.Parallel()
	o := Origin{Component: "pricing", Time: time.Unix(1000, 0)}
	tests := []struct {
		event Event
		level slog.Level
		want  string
	}{
		{&Started{o}, slog.LevelInfo, "component started component=pricing"},
		{&AttemptScheduled{o, "ws://a", 2, time.Second}, slog.LevelDebug, "component connects component=pricing url=ws://a retry=2 delay=1s"},
		{&Connected{o, "ws://a"}, slog.LevelDebug, "transport connected component=pricing url=ws://a"},
		{&ConnectFailed{o, "ws://a", ClassTransient, errRefused}, slog.LevelWarn, "connect failed component=pricing url=ws://a class=transient error=connection refused"},
		{&ConnectFailed{o, "ws://a", ClassPermanent, errDenied}, slog.LevelError, "connect failed component=pricing url=ws://a class=permanent error=authentication denied"},
		{&Joined{Origin: o, URL: "ws://a", Realm: "realm1", Session: 7}, slog.LevelInfo, "session joined component=pricing url=ws://a realm=realm1 session=7"},
		{&Joined{o, "ws://a", "realm1", 7, "joe", "user", "ticket"}, slog.LevelInfo, "session joined component=pricing url=ws://a realm=realm1 session=7 authid=joe authrole=user authmethod=ticket"},
		{&Ready{o, "realm1", 7}, slog.LevelInfo, "session ready component=pricing realm=realm1 session=7"},
		{&Left{o, "realm1", 7, "wamp.close.goodbye_and_out", nil}, slog.LevelInfo, "session left component=pricing realm=realm1 session=7 reason=wamp.close.goodbye_and_out"},
		{&Left{o, "realm1", 7, "", errLost}, slog.LevelWarn, "session left component=pricing realm=realm1 session=7 error=connection lost"},
		{&Disconnected{o, "ws://a", nil}, slog.LevelInfo, "transport disconnected component=pricing url=ws://a"},
		{&Disconnected{o, "ws://a", errLost}, slog.LevelWarn, "transport disconnected component=pricing url=ws://a error=connection lost"},
		{&DeclarationRefused{o, KindProcedure, "com.a", errDenied}, slog.LevelError, "declaration refused component=pricing kind=procedure uri=com.a error=authentication denied"},
		{&HandlerFailed{o, KindMain, "", errLost}, slog.LevelError, "handler failed component=pricing kind=main error=connection lost"},
		{&HandlerPanicked{o, KindTopic, "com.t", &PanicError{Value: 1, Stack: []byte("at")}}, slog.LevelError, "handler panicked component=pricing kind=topic name=com.t error=panic: 1 stack=at"},
		{&HandlerPanicked{o, KindListener, "join", nil}, slog.LevelError, "handler panicked component=pricing kind=listener name=join"},
		{&Restarted{o, "session", 1, errLost}, slog.LevelWarn, "child restarted component=pricing child=session restarts=1 error=connection lost"},
		{&Stopped{o, nil}, slog.LevelInfo, "component stopped component=pricing"},
		{&Stopped{o, errDenied}, slog.LevelError, "component stopped component=pricing error=authentication denied"},
	}
	for _, tt := range tests {
		level, line, attrs := tt.event.Log()
		for _, a := range attrs {
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		}
		require.Equal(t, tt.want, line)
		require.Equal(t, tt.level, level, line)
	}
}

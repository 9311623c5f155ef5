# Daybook in an image of its own: one static program and nothing else.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /daybook ./cmd/daybook
# An empty folder, so that the volume belongs to the user that the program runs as.
WORKDIR /data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /daybook /daybook
COPY --from=build --chown=65532:65532 /data /data
ENV DAYBOOK_DATA=/data DAYBOOK_ADDR=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/daybook"]
CMD ["serve"]
